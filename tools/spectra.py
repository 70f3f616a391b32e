"""Reflectance of the demo landscape's materials, 400 to 2500 nm, and what a sensor's bands see of it.

No measured library stands behind these curves: each is put together from the features that make the material
known in the field (red edge, liquid water at 970/1200/1450/1940 nm, clay at 2205, cellulose at 2100, iron oxide
below 600 and at 870), which keeps the scene free of anybody's licence. Every material has two ends, between
which its pixels vary: sparse and dense cover, dry and moist soil, clear and turbid water.
"""
import numpy as np

WAVELENGTH_NM = np.arange(400.0, 2501.0)
# Where the atmosphere lets nothing through: sensors deliver no use there.
WATER_VAPOUR_NM = ((1340.0, 1460.0), (1790.0, 1960.0))


def bump(centre, width, height):
    return height * np.exp(-0.5 * ((WAVELENGTH_NM - centre) / width) ** 2)


def step(centre, width):
    return 1 / (1 + np.exp(-(WAVELENGTH_NM - centre) / width))


def absorbed(*features):
    """Transmission of (centre, width, depth) features."""
    return np.exp(-sum(bump(*feature) for feature in features))


def through(*points):
    """A smooth curve through (nm, reflectance): linear, then rounded over 80 nm."""
    curve = np.interp(WAVELENGTH_NM, *zip(*points))
    kernel = np.hanning(81)
    return np.convolve(np.pad(curve, 40, mode="edge"), kernel / kernel.sum(), mode="valid")


def leaves(plateau, green, water, edge=715.0):
    """A canopy: NIR plateau, height of the green peak over the chlorophyll bands, depth of the water bands."""
    visible = 0.025 + bump(552, 34, green) + bump(420, 40, 0.004)
    near_infrared = plateau * step(edge, 11) * through((400, 1), (1300, 0.97), (1650, 0.72), (2200, 0.5), (2500, 0.35))
    return (visible * (1 - step(700, 14)) + near_infrared) * absorbed(
        (970, 24, 0.08 * water), (1195, 38, 0.2 * water), (1450, 60, 1.1 * water), (1940, 80, 1.5 * water),
        (2500, 260, 0.7 * water))


def litter(height, cellulose):
    """Dry plant matter: rises through the visible, cellulose and lignin in the SWIR, no red edge."""
    return height * through((400, 0.2), (700, 0.55), (1000, 0.88), (1300, 1.0), (1700, 0.98), (2200, 0.78),
                            (2500, 0.58)) * absorbed((2100, 45, 0.22 * cellulose), (2310, 40, 0.25 * cellulose),
                                                     (1730, 30, 0.06 * cellulose), (1450, 55, 0.25),
                                                     (1940, 70, 0.35))


def earth(height, iron, clay, moisture):
    return height * through((400, 0.22), (550, 0.42), (800, 0.72), (1300, 0.98), (1700, 1.02), (2150, 0.95),
                            (2500, 0.8)) * absorbed((490, 50, 0.25 * iron), (870, 70, 0.12 * iron),
                                                    (1415, 25, 0.15), (2205, 22, 0.3 * clay),
                                                    (1450, 90, 0.6 * moisture), (1940, 110, 0.9 * moisture))


def lake(scatter, algae):
    """Water: bright only in the blue and green, with a hump at 700 nm where algae grow, black beyond 900 nm."""
    return 0.004 + scatter * through((400, 0.6), (500, 0.9), (570, 1.0), (650, 0.45), (720, 0.18), (810, 0.1),
                                     (900, 0.02), (2500, 0.0)) + bump(703, 12, algae) - bump(675, 14, 0.4 * algae)


def tile(height):
    """Fired clay: iron oxide eats the blue and the green, little water."""
    rise = 0.16 + 0.5 * step(595, 22) + 0.34 * through((400, 0), (900, 0.5), (1700, 1), (2500, 0.85))
    return height * rise * absorbed((870, 60, 0.14), (2205, 35, 0.06))


def bitumen(height, worn):
    return height * through((400, 0.5), (700, 0.72), (1200, 0.92), (1700, 1.0), (2100, 1.05), (2500, 0.95)) * absorbed(
        (1730, 22, 0.1 * (1 - worn)), (2310, 32, 0.2 * (1 - worn)))


# id: (name, colour, sparse or dark end, dense or bright end). Ids are those of the truth raster.
MATERIALS = {
    1: ("water", "#2b6cb0", lake(0.05, 0.002), lake(0.09, 0.022)),
    2: ("trees", "#14532d", leaves(0.27, 0.012, 1.25, 719), leaves(0.36, 0.02, 1.1, 717)),
    3: ("meadow", "#7cb342", 0.75 * leaves(0.4, 0.035, 0.75, 711) + 0.25 * litter(0.34, 0.8),
        leaves(0.46, 0.045, 0.9, 713)),
    4: ("young cereals", "#c6e048", 0.5 * leaves(0.48, 0.055, 1.0, 709) + 0.5 * earth(0.24, 0.8, 0.7, 0.5),
        0.85 * leaves(0.55, 0.06, 1.05, 711) + 0.15 * earth(0.24, 0.8, 0.7, 0.5)),
    5: ("stubble", "#e0b84c", 0.65 * litter(0.44, 1.0) + 0.35 * earth(0.3, 0.8, 0.6, 0.1), litter(0.56, 1.2)),
    6: ("bare soil", "#8d5a34", earth(0.2, 0.9, 0.8, 0.8), earth(0.36, 1.1, 1.0, 0.1)),
    7: ("road", "#6b6b6b", bitumen(0.12, 0.1), bitumen(0.24, 0.9)),
    8: ("roof", "#d9381e", tile(0.28), tile(0.44)),
}


def band_centres(count, first=420.0, last=2400.0, bad_bands=False):
    """(centres, fwhm, good) in nm: `count` good bands, denser below 1000 nm; bad_bands fills the gaps too."""
    fine = np.arange(first, last, 0.1)
    density = np.where(fine < 1000, 1 / 24.0, 1 / 48.0)
    gap = np.zeros(len(fine), bool)
    for low, high in WATER_VAPOUR_NM:
        gap |= (fine > low) & (fine < high)
    reach = np.cumsum(np.where(gap, 0, density))
    centres = np.interp(np.linspace(reach[0], reach[-1], count), reach, fine)
    good = np.ones(count, bool)
    if bad_bands:
        added = np.concatenate([np.arange(low + 20, high - 19, 40) for low, high in WATER_VAPOUR_NM])
        centres = np.concatenate([centres, added])
        good = np.concatenate([good, np.zeros(len(added), bool)])[np.argsort(centres, kind="stable")]
        centres = np.sort(centres)
    return np.round(centres, 1), np.where(centres < 1000, 12.0, 20.0), good


def seen_by(centres, fwhm):
    """(bands, wavelengths) weights: Gaussian response of each band, sum 1."""
    response = np.exp(-4 * np.log(2) * ((WAVELENGTH_NM - centres[:, None]) / fwhm[:, None]) ** 2)
    return response / response.sum(axis=1, keepdims=True)
