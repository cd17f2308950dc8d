"""World models: experience of games, dreams of them, and controllers."""

WORLD = "world.json"  # in the folder of a world model
CONTROLLER = "controller"  # its .keras file there
POLICY_NAMES = ("random", "sticky")
CONTROLLER_NAMES = ("linear", "actor_critic")
