"""Who watches whom, what they hear, and when a node itself is the one cut off."""
