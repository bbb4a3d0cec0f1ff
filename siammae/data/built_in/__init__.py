"""Data sets that are drawn: sprites and puppets with exact labels."""
