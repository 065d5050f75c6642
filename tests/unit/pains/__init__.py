"""What hurts in the field, by number: docs/pains.md."""
