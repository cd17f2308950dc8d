"""World models: experience of games, models of what comes next, and controllers."""
