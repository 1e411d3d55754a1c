"""One file an API: what is generated, as the bytes that its clients read."""
