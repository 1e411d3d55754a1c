"""An OpenAI-compatible server: requests go out, replies come back; what every client uses."""
