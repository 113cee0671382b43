"""What cannot be used goes, with a count; what can be used stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan.preparation.cleaning import MIN_POINTS, clean, first_of_each


def sphere(count: int = 500, seed: int = 0) -> PointCloud:
    normals = np.random.default_rng(seed).standard_normal((count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(normals, normals, np.arange(3 * count).reshape(-1, 3) % 256, "ball.ply")


def changed(cloud: PointCloud, **rows: dict[int, object]) -> PointCloud:
    """`cloud` with other values in some rows of some attributes."""
    arrays = {name: np.array(getattr(cloud, name)) for name in ("points", "normals", "colors")}
    for name, values in rows.items():
        for row, value in values.items():
            arrays[name][row] = value
    return PointCloud(**arrays, source=cloud.source)


def test_a_clean_cloud_stays_as_it_is() -> None:
    cloud = sphere()
    cleaned, report = clean(cloud)
    np.testing.assert_array_equal(cleaned.points, cloud.points)
    np.testing.assert_allclose(cleaned.normals, cloud.normals, rtol=1e-14)
    assert report.lines() == []


def test_each_fault_goes_with_its_count() -> None:
    cloud = sphere()
    faulty = changed(
        cloud,
        points={0: np.nan, 1: [1.0, np.inf, 0.0], 9: cloud.points[4], 300: cloud.points[4]},
        normals={20: 0.0, 21: [np.nan, 0, 1], 22: [0, np.inf, 0]},
    )
    cleaned, report = clean(faulty)
    assert (report.not_finite, report.duplicates, report.bad_normals) == (2, 2, 3)
    kept = np.setdiff1d(np.arange(500), [0, 1, 9, 300])
    np.testing.assert_array_equal(cleaned.points, cloud.points[kept])
    assert np.flatnonzero(~cleaned.normals.any(1)).tolist() == [17, 18, 19]  # missing, where 20 to 22 were
    np.testing.assert_array_equal(cleaned.colors, cloud.colors[kept])
    assert len(report.lines()) == 3 and report.lines()[0].startswith("2 of 500 points")


@pytest.mark.parametrize(("at_origin", "kept"), [(0, 500), (1, 500), (2, 498), (100, 400)])
def test_pixels_without_a_depth_are_no_points(at_origin: int, kept: int) -> None:
    """Several points at the origin are; a single one may be a place."""
    cleaned, report = clean(changed(sphere(), points={i: 0.0 for i in range(at_origin)}))
    assert len(cleaned) == kept and report.at_origin == 500 - kept


@pytest.mark.parametrize("length", [1e-200, 1e-3, 7.0, 1e200])
def test_normals_of_any_length_become_unit(length: float) -> None:
    cloud = sphere()
    cleaned, report = clean(PointCloud(cloud.points, cloud.normals * length))
    np.testing.assert_allclose(cleaned.normals, cloud.normals, atol=1e-14)
    assert report.bad_normals == 0


@pytest.mark.parametrize(("bad", "kept"), [(251, True), (495, True), (496, False)])
def test_normals_all_go_when_hardly_any_is_sound(bad: int, kept: bool) -> None:
    cleaned, report = clean(changed(sphere(), normals={i: 0.0 for i in range(bad)}))
    assert (cleaned.normals is not None) is kept
    assert report.normals_dropped is not kept and report.bad_normals == bad
    assert len(cleaned) == 500


@pytest.mark.parametrize(("points", "fine"), [(MIN_POINTS - 1, False), (MIN_POINTS, True)])
def test_a_surface_needs_points(points: int, fine: bool) -> None:
    if fine:
        assert len(clean(sphere(points))[0]) == points
    else:
        with pytest.raises(ScanError, match=r"ball.ply holds 199 usable points: .* at least 200"):
            clean(sphere(points))


def test_the_error_says_what_went() -> None:
    with pytest.raises(ScanError, match=r"holds 1 usable points \(499 points are duplicates"):
        clean(PointCloud(np.zeros((500, 3))))
    with pytest.raises(ScanError, match=r"holds 0 usable points \(300 of 300 points are not finite"):
        clean(PointCloud(np.full((300, 3), np.nan), np.zeros((300, 3))))


def test_points_on_a_line_make_no_surface() -> None:
    t = np.linspace(0, 1, 500)[:, None]
    with pytest.raises(ScanError, match="lie on a line"):
        clean(PointCloud(t * [1.0, 2.0, -3.0] + [4e5, 5e6, 0.0]))
    clean(PointCloud(np.hstack([t, t**2, 0 * t])))  # a plane is a surface


def test_coordinates_beyond_computing_are_refused() -> None:
    with pytest.raises(ScanError, match=r"coordinates of .*e\+160"):
        clean(PointCloud(1e160 * sphere().points))
    assert len(clean(PointCloud(1e140 * sphere().points))[0]) == 500
    assert len(clean(PointCloud(1e-140 * sphere().points))[0]) == 500
    with pytest.raises(ScanError, match=r"e-160 large"):
        clean(PointCloud(1e-160 * sphere().points))


def test_one_point_far_away_does_not_make_a_line_of_the_others() -> None:
    """Nor does an offset: then the points have really lost their places."""
    points = np.vstack([sphere().points, [[1e9, 0, 0], [0, -1e30, 0]]])
    cloud, report = clean(PointCloud(points))
    np.testing.assert_array_equal(cloud.points, points[:-2])
    assert report.lines() == ["2 points are 1e+06 times as far away as most: dropped"]
    with pytest.raises(ScanError, match="lost their places in rounding"):
        clean(PointCloud(sphere().points + 1e15))


def test_first_of_each_agrees_with_a_set() -> None:
    points = np.random.default_rng(0).integers(-2, 3, (400, 3)).astype(float) * [1, -0.0, 1]
    seen: set[tuple[float, ...]] = set()
    expected = [not (place in seen or seen.add(place)) for place in map(tuple, points.tolist())]
    assert first_of_each(points).tolist() == expected
    assert first_of_each(np.zeros((0, 3))).tolist() == []
