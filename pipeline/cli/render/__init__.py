"""What a terminal shows when work is done: tables and a few lines."""
