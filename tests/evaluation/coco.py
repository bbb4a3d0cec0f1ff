"""COCO's run-length code, written from its description."""


def run_lengths(mask):
    runs, inside, length = [], False, 0
    for column in range(mask.shape[1]):
        for row in range(mask.shape[0]):
            if bool(mask[row, column]) != inside:
                runs.append(length)
                inside, length = not inside, 0
            length += 1
    return [*runs, length]


def compress(runs):
    """Each length (from the fourth on less the one two before) in groups of five bits."""
    text = ""
    for place, length in enumerate(runs):
        left = length - runs[place - 2] if place > 2 else length
        while True:
            group, left = left & 31, left >> 5
            done = (left == -1 and group & 16) or (left == 0 and not group & 16)
            text += chr(48 + (group if done else group | 32))
            if done:
                break
    return text
