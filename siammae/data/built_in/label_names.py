"""The names of joints and body parts, in the order in which JHMDB and VIP number them."""

# JHMDB's fifteen joints.
JOINTS = (
    "neck",
    "belly",
    "face",
    "right shoulder",
    "left shoulder",
    "right hip",
    "left hip",
    "right elbow",
    "left elbow",
    "right knee",
    "left knee",
    "right wrist",
    "left wrist",
    "right ankle",
    "left ankle",
)

# VIP's twenty classes, in the order of its authors' own evaluation; other scripts name the same ids
# in another order.
PARTS = (
    "background",
    "hat",
    "hair",
    "gloves",
    "sunglasses",
    "upper clothes",
    "dress",
    "coat",
    "socks",
    "pants",
    "torso skin",
    "scarf",
    "skirt",
    "face",
    "left arm",
    "right arm",
    "left leg",
    "right leg",
    "left shoe",
    "right shoe",
)
