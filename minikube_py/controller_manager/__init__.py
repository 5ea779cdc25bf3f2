"""Runs the controllers that make the cluster what its objects say."""
