"""What people look at: masks on frames, and what an encoder sees."""
