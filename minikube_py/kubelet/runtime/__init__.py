"""The container engines behind one interface."""
