"""What every process needs: clock, root tasks, logs, configuration, health, metrics, certificates."""
