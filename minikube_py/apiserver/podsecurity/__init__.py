"""The Pod Security Standards: which Pods the levels privileged, baseline and restricted let in, by version."""
