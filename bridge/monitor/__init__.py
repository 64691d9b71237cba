"""The bridge's own state, metrics and traces: collected from facts, bounded; may import chat."""
