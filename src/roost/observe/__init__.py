"""What operators watch: logs, metrics, events."""
