"""What the bridge knows of itself: collected from facts, bounded in every part, no HTTP; may import chat."""
