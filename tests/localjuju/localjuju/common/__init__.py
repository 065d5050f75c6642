"""The lowest floor, on which all others rest: paths, protocols, the machinery of a setup."""
