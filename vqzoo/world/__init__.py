"""World models: experience of games, models of what comes next, and controllers."""

POLICY_NAMES = ("random", "sticky")
