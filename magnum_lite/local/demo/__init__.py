"""The tour: from nothing to a used, scaled and removed bay, each step with the command for it."""
