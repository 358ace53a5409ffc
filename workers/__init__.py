"""What follows from the log: jobs, every one safe to run twice."""
