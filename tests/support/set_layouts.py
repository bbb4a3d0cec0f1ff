"""Data sets for pre-training as published, with empty-headed files and smaller counts."""

import json
from pathlib import Path

from siammae.data.downloading.catalog import DataSet, Expectation, load

FILES, DIFFERENT = 12, 3  # at most, of what a layout counts


def write(root: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def smaller(name: str) -> DataSet:
    """A data set of the catalog as training looks at it, of which fewer files make a whole."""
    dataset = load(name).for_training()

    def shrink(expected: Expectation) -> Expectation:
        count = None if expected.count is None else min(expected.count, FILES)
        distinct = {key: min(number, DIFFERENT) for key, number in expected.distinct.items()}
        return expected.model_copy(update={"count": count, "distinct": distinct})

    layouts = {key: [shrink(each) for each in layout] for key, layout in dataset.layouts.items()}
    return dataset.model_copy(update={"layouts": layouts})


def kinetics400(root: Path, train: str = "train") -> str:
    for number in range(FILES):
        name = f"-id!{number:07d}_000001_000011.mp4"
        folder = train.format(number % DIFFERENT)
        write(root, f"{folder}/{name}", f"replacement/replacement_for_corrupted_k400/{name}")
    return "replacement/replacement_for_corrupted_k400/-id!0000003_000001_000011.mp4"


def kinetics400_in_classes(root: Path) -> str:
    return kinetics400(root, "train/class {}")


def ucf101(root: Path) -> str:
    for number in range(FILES):
        write(root, f"UCF-101/Class{number % DIFFERENT}/v_{number}.avi")
    for number in (1, 2, 3):
        write(root, *(f"ucfTrainTestlist/{part}list0{number}.txt" for part in ("train", "test")))
    return "ucfTrainTestlist/testlist02.txt"


def hmdb51(root: Path, videos: str = "videos/") -> str:
    for number in range(FILES):
        action = f"class_{number % DIFFERENT}"
        write(root, f"{videos}{action}/a!b@c_{number}.avi")
        lists = [f"{action}_test_split{split}.txt" for split in (1, 2, 3)]
        write(root, *(f"testTrainMulti_7030_splits/{name}" for name in lists))
        write(root, f"testTrainMulti_7030_splits/more{number}_test_split1.txt")
    return f"{videos}class_1/a!b@c_4.avi"


def hmdb51_beside(root: Path) -> str:
    return hmdb51(root, "")


def ssv2(root: Path) -> str:
    write(root, *(f"20bn-something-something-v2/{number}.webm" for number in range(FILES)))
    write(root, *(f"labels/{part}.json" for part in ("train", "validation", "test")))
    return "20bn-something-something-v2/7.webm"


def ssv2_of_mmaction(root: Path, ending: str = "mp4") -> str:
    write(root, *(f"videos/{number}.{ending}" for number in range(FILES)))
    write(root, *(f"annotations/{part}.json" for part in ("train", "validation", "test")))
    return "annotations/validation.json"


def davis(root: Path) -> str:
    for part in ("train", "val"):
        names = [f"{part}-{number}" for number in range(DIFFERENT)]
        for name in names:
            write(root, *(f"JPEGImages/480p/{name}/{t:05d}.jpg" for t in range(4)))
        write(root, f"ImageSets/2017/{part}.txt", text="\n".join(names))
    return "JPEGImages/480p/train-2/00003.jpg"


def kitti_raw(root: Path, camera: str = "image_02") -> str:
    drive = f"2011_09_26/2011_09_26_drive_0001_sync/{camera}"
    write(root, *(f"{drive}/data/{t:010d}.png" for t in range(3)), f"{drive}/timestamps.txt")
    return f"{drive}/timestamps.txt"


def kitti_raw_right(root: Path) -> str:
    return kitti_raw(root, "image_03")


def vspw(root: Path) -> str:
    write(root, "data/1_-hIV/origin/00000014.jpg", "data/2_x/origin/00000001.jpg")
    write(root, "train.txt", text="1_-hIV\n2_x\n")
    return "data/1_-hIV/origin/00000014.jpg"


def uvo(root: Path) -> str:
    videos = [{"id": n, "ytid": f"-yt{n}"} for n in range(4)]
    write(root, "VideoDenseSet/UVO_video_train_dense.json", text=json.dumps({"videos": videos}))
    write(root, *(f"uvo_videos_dense/{video['ytid']}.mp4" for video in videos))
    return "uvo_videos_dense/-yt2.mp4"


def uvo_frames(root: Path) -> str:
    uvo(root)
    for path in list((root / "uvo_videos_dense").iterdir()):
        write(root, f"uvo_videos_dense_frames/{path.stem}/0.png")
        path.unlink()
    return "uvo_videos_dense_frames/-yt2/0.png"


WRITERS = {
    "kinetics400": [kinetics400, kinetics400_in_classes],
    "ucf101": [ucf101],
    "hmdb51": [hmdb51, hmdb51_beside],
    "ssv2": [ssv2, ssv2_of_mmaction],
    "davis": [davis],
    "kitti_raw": [kitti_raw, kitti_raw_right],
    "vspw": [vspw],
    "uvo": [uvo, uvo_frames],
}
