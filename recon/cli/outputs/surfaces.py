"""What `--json` prints: of meshes and scans."""

from typing import Literal, TypedDict

from recon.meshing.topology import Hole, Topology
from recon.meshing.walls import Walls
from recon.surface.evaluation import Distances


class ScanToMesh(TypedDict):
    """Distances from the scan's points to the mesh, in the scan's unit."""

    mean: float
    p95: float
    largest: float


class Mesh(TypedDict):
    """`recon mesh`, also result.json of its run folder.

    Attributes:
        scan: the file, or the files of one scene.
        mesh: the file that was written.
        points: number of scan points used.
        components: connected components.
        genus: summed over the components; null if undefined.
        area: in the square of the scan's unit.
        volume: null unless the mesh is closed.
        holes: from the longest to the shortest.
        filled: with --solid, the holes of the scan that were filled.
        unit: of the scan, if its file states it.
        steps: of the training.
        recoveries: how often the training went back after a divergence.
        uncertainty: the median of the vertices' error bars, in the scan's unit; null without them.
        texture: width and height of its pictures, texels; null without --texture.
        diagonal: of the scan's box.
        blocks: how many the scan was cut into.
        state: suspect if there are doubts.
        doubts: what looks wrong with the mesh, a sentence each.
        seconds: by stage.
    """

    scan: str | list[str]
    mesh: str
    points: int
    vertices: int
    faces: int
    watertight: bool
    components: int
    genus: int | None
    area: float
    volume: float | None
    holes: list[Hole]
    filled: list[Hole]
    unit: str | None
    steps: int
    recoveries: int
    scan_to_mesh: ScanToMesh
    uncertainty: float | None
    texture: list[int] | None
    diagonal: float
    blocks: int
    state: Literal["sound", "suspect"]
    doubts: list[str]
    seconds: dict[str, float]
    seconds_all: float


class BatchScan(TypedDict):
    """One scan of a batch; null where there is no mesh.

    Attributes:
        scan: path below the folder.
        mesh: path below the output folder.
        scan_to_mesh: mean distance from the scan's points to the mesh.
        state: suspect if it is done, and the mesh does not look like its scan.
        peak_memory: in bytes.
        doubts: what looks wrong with a suspect mesh.
        error: one line.
    """

    scan: str
    mesh: str | None
    state: Literal["done", "done before", "suspect", "failed", "unfinished"]
    points: int | None
    faces: int | None
    seconds: float | None
    scan_to_mesh: float | None
    scan_to_mesh_p95: float | None
    scan_to_mesh_largest: float | None
    diagonal: float | None
    unit: str | None
    watertight: bool | None
    components: int | None
    genus: int | None
    area: float | None
    volume: float | None
    peak_memory: int | None
    doubts: str | None
    error: str | None


class Batch(TypedDict):
    """`recon batch`, also summary.json.

    Attributes:
        folder: as given.
        out: as an absolute path.
        done: number of scans.
        done_before: number of scans.
        suspect: number of scans, done now or before.
        failed: number of scans.
        unfinished: number of scans.
    """

    folder: str
    out: str
    done: int
    done_before: int
    suspect: int
    failed: int
    unfinished: int
    scans: list[BatchScan]


class _InfoWalls(TypedDict, total=False):
    walls: Walls


class InfoExtra(_InfoWalls):
    """What `recon info` adds to the fields of `Info`.

    Attributes:
        walls: with --thickness.
        diagonal: of the box, if there is one.
        problems: what stands in the way of a good surface, a sentence each.
        notes: what `recon mesh` makes of it, a sentence each.
    """

    kind: Literal["mesh", "cloud"]
    diagonal: float | None
    problems: list[str]
    notes: list[str]


class Directions(TypedDict):
    """Distances in both directions, and of both together unless the reference is a cloud."""

    mesh_to_reference: Distances
    reference_to_mesh: Distances
    both: Distances | None


class Cosines(TypedDict):
    """Mean cosines of normals; null without normals."""

    mesh_to_reference: float | None
    reference_to_mesh: float | None
    both: float | None


class _EvalExtra(TypedDict, total=False):
    alignment: list[list[float]]
    csv: str
    report: str


class Eval(_EvalExtra):
    """`recon eval`.

    Attributes:
        alignment: with --align, the matrix (4, 4) that moved the mesh, of columns (x, y, z, 1), world.
        unit: a thousandth of half the reference's longest side, in world units.
        distance: in that unit.
        distance_world: in world units.
        f_score: by threshold in that unit; null if the reference is a cloud.
        reference: null if it is a cloud.
    """

    unit: float
    distance: Directions
    distance_world: Directions
    f_score: dict[str, float] | None
    normal_cosine: Cosines
    mesh: Topology
    reference: Topology | None


class QueryFile(TypedDict):
    """`recon query` with -o.

    Attributes:
        points: how many.
        output: the CSV file.
    """

    points: int
    output: str


class Query(TypedDict):
    """`recon query` without -o, one item per point.

    Attributes:
        distance: signed, negative inside.
    """

    points: list[list[float]]
    distance: list[float]
    gradient: list[list[float]]


class Report(TypedDict):
    """`recon report`.

    Attributes:
        report: the HTML file.
        bytes: its size.
    """

    report: str
    bytes: int


class View(TypedDict, total=False):
    """`recon view`: the files that were written; none with a window."""

    screenshot: str
    turntable: str
