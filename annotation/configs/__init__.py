"""Labelling configurations and their guidelines, as files that one can read and edit."""
