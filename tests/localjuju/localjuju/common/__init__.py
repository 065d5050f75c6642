"""What every floor stands on: places, protocols, the setup's machinery. The lowest floor."""
