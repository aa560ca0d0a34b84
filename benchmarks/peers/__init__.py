"""Side by side with other ways of doing the same: contenders, their input, and the measuring."""
