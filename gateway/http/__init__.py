"""HTTP around the routes: the server, what each request passes on its way in, and errors."""
