"""What ``siammae.runs`` shows and does: lists runs, compares two, makes one again."""
