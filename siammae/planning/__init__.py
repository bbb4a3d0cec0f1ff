"""What a multirun would do, before it does: its runs, their cost, the seeds it takes."""
