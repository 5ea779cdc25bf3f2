"""Assigns Pods to Nodes."""
