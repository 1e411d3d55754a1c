"""What a request and the loaded model have to say about thinking, and what becomes of it."""
