"""Slow, obvious twins of the library in numpy float64."""
