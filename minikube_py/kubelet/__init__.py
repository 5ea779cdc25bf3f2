"""Runs the Pods of one Node."""
