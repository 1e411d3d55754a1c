"""What is parsed here is model text: from a stream of pieces to typed events, nothing else."""
