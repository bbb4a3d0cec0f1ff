"""Settings: checked before anything is built, and handed to the code once, at the entry point."""
