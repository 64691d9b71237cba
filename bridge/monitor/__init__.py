"""What the bridge knows of itself, as state, metrics and traces: collected from facts, bounded; may import chat."""
