"""The demo's countryside: parcels, a river with a lake, a wood, a village with streets, drawn finer than the pixels.

Everything is painted on a grid OVERSAMPLING times finer than the sensor's, so that pixels on an edge are mixed.
Coordinates are (y, x) in sensor pixels. All chance comes from the generator that is handed in.
"""
import numpy as np

OVERSAMPLING = 5
WATER, TREES, MEADOW, CEREALS, STUBBLE, SOIL, ROAD, ROOF = range(1, 9)


def rough(rng, shape, scale, slope=1.6):
    """A random field of mean 0 and deviation 1 whose features are about `scale` cells large (filtered noise)."""
    noise = np.fft.rfft2(rng.standard_normal(shape))
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    field = np.fft.irfft2(noise * (1 / scale**2 + fy**2 + fx**2) ** (-slope), shape)
    return (field - field.mean()) / field.std()


class Landscape:
    """material: ids (fine grid). vigour: 0..1, where a pixel lies between its material's two ends.
    light: 0..1, how much direct sun arrives. slope: illumination of the terrain, about 1."""

    def __init__(self, rows, columns, rng):
        self.rng, self.rows, self.columns = rng, rows, columns
        self.shape = (rows * OVERSAMPLING, columns * OVERSAMPLING)
        y, x = np.indices(self.shape)
        self.y, self.x = (y + 0.5) / OVERSAMPLING, (x + 0.5) / OVERSAMPLING
        self.material = np.full(self.shape, MEADOW)
        self.vigour = np.zeros(self.shape)
        self.light = np.ones(self.shape)
        self.texture = rough(rng, self.shape, 14 * OVERSAMPLING)
        self.grain = rough(rng, self.shape, 2.5 * OVERSAMPLING)
        self.unit = min(rows / 100, columns / 120)  # drawn for 100 x 120, scaled for others
        self.terrain()
        self.parcels()
        self.river()
        self.wood()
        self.settle()
        self.vigour = np.clip(self.vigour + 0.13 * self.texture + 0.07 * self.grain, 0, 1)

    def terrain(self):
        height = 6 * rough(self.rng, self.shape, 60 * OVERSAMPLING, slope=2.0) * OVERSAMPLING
        dy, dx = np.gradient(height)
        self.slope = np.clip(1 + 0.55 * (dx - dy), 0.72, 1.22)  # the sun stands in the south-east
        self.height = height

    def put(self, where, material, vigour):
        self.material[where] = material
        self.vigour = np.where(where, vigour, self.vigour)

    def parcels(self):
        """Fields: a rectangle, turned by 17 degrees, split again and again across its longer side."""
        turn = np.deg2rad(17)
        u = self.x * np.cos(turn) + self.y * np.sin(turn)
        v = self.y * np.cos(turn) - self.x * np.sin(turn)
        pending = [(u.min(), u.max(), v.min(), v.max())]
        kinds = [CEREALS, STUBBLE, SOIL, MEADOW]
        count = 0
        while pending:
            u0, u1, v0, v1 = pending.pop(0)
            if max(u1 - u0, v1 - v0) > 26 * self.unit or min(u1 - u0, v1 - v0) > 17 * self.unit:
                cut = self.rng.uniform(0.38, 0.62)
                if u1 - u0 > v1 - v0:
                    middle = u0 + cut * (u1 - u0)
                    pending += [(u0, middle, v0, v1), (middle, u1, v0, v1)]
                else:
                    middle = v0 + cut * (v1 - v0)
                    pending += [(u0, u1, v0, middle), (u0, u1, middle, v1)]
                continue
            inside = (u >= u0) & (u < u1) & (v >= v0) & (v < v1)
            if not inside.any():
                continue
            if count % len(kinds) == 0:
                self.rng.shuffle(kinds)
            tracks = 0.06 * np.sin(2 * np.pi * (v if u1 - u0 > v1 - v0 else u) / 2.4)
            self.put(inside, kinds[count % len(kinds)], self.rng.uniform(0.2, 0.8) + tracks)
            margin = np.minimum(np.minimum(u - u0, u1 - u), np.minimum(v - v0, v1 - v))
            if self.rng.random() < 0.75:  # most parcels end in a strip of grass, some in a hedge
                hedge = self.rng.random() < 0.3
                self.put(inside & (margin < (0.9 if hedge else 0.45)), TREES if hedge else MEADOW, 0.4)
            count += 1

    def river(self):
        bend = 9 * np.sin(self.y / 15 + 0.6) + 4 * np.sin(self.y / 6.5)
        centre = (0.30 * self.columns / self.unit + 0.16 * self.y / self.unit) * self.unit + bend * self.unit
        away = np.abs(self.x - centre) + 0.5 * self.grain
        wide = (2.6 + 0.7 * np.sin(self.y / 9)) * self.unit
        self.put(away < wide + 4.5 * self.unit, MEADOW, 0.75)
        self.put((away < wide + 2.2) & (self.texture + 0.6 * self.grain > 0.1), TREES, 0.6)
        self.put(away < wide, WATER, 0.25)
        oval = ((self.y - 0.78 * self.rows) / 11) ** 2 + ((self.x - 0.17 * self.columns) / 9) ** 2
        oval = oval / self.unit**2 + 0.22 * self.texture + 0.1 * self.grain
        self.put(oval < 1.45, MEADOW, 0.6)
        self.put((oval < 1.45) & (self.grain > 0.3), TREES, 0.5)
        self.put(oval < 1.0, WATER, 0.75)

    def wood(self):
        """Trees on the north-eastern rise, with crowns and the shade between them."""
        corner = np.hypot(self.y / self.rows, 1 - self.x / self.columns)
        inside = corner + 0.09 * self.texture + 0.012 * self.grain < 0.5
        inside &= self.material != WATER
        self.put(inside, TREES, 0.5 + 0.1 * self.grain)
        clearing = inside & (self.texture > 1.5)
        self.put(clearing, MEADOW, 0.35)
        crowns = rough(self.rng, self.shape, 0.9 * OVERSAMPLING, slope=1.2)
        self.light = np.where(self.material == TREES, np.clip(0.82 + 0.14 * crowns, 0.4, 1), self.light)
        self.cast_shade(self.material == TREES, 0.7)

    def cast_shade(self, objects, length, depth=0.55):
        """Shade to the north-west of tall things, `length` pixels long."""
        shade = np.zeros(self.shape, bool)
        for k in range(1, max(1, round(length * OVERSAMPLING)) + 1):
            shade[:-k, :-k] |= objects[k:, k:]
        self.light = np.where(shade & ~objects, self.light * (1 - depth), self.light)

    def street(self, y0, x0, y1, x1, wide, bow=0.0):
        """A street between two points given as fractions of the scene, bowed sideways by `bow` pixels."""
        ay, ax, by, bx = y0 * self.rows, x0 * self.columns, y1 * self.rows, x1 * self.columns
        dy, dx = by - ay, bx - ax
        length = np.hypot(dy, dx)
        along = ((self.y - ay) * dy + (self.x - ax) * dx) / length**2
        across = ((self.y - ay) * dx - (self.x - ax) * dy) / length - bow * np.sin(np.pi * along)
        self.put((np.abs(across) < wide / 2) & (along > 0) & (along < 1), ROAD, 0.45 + 0.1 * self.grain)
        return along * length, across

    def settle(self):
        """A village south-east of the river: main road, two lanes, houses in rows, gardens; and a yard of halls."""
        village = np.hypot((self.y - 0.62 * self.rows) / 19, (self.x - 0.70 * self.columns) / 27) / self.unit
        gardens = village + 0.1 * self.texture < 1
        self.put(gardens, MEADOW, 0.55)
        self.put(gardens & (self.grain > 1.0), TREES, 0.5)
        self.light[gardens] = 1.0
        main = self.street(0.42, -0.02, 0.66, 1.02, 2.3, bow=-5 * self.unit)
        lane = self.street(0.46, 0.72, 1.02, 0.60, 1.8, bow=2)
        back = self.street(0.80, 0.52, 0.76, 0.95, 1.6, bow=-2)
        farm = self.street(-0.02, 0.16, 0.43, 0.24, 1.6, bow=3)
        roofs = np.zeros(self.shape, bool)
        for along, across in (main, lane, back, farm):
            roofs |= self.houses(along, across, gardens)
        roofs |= self.houses(*farm, np.hypot(self.y - 0.2 * self.rows, self.x - 0.2 * self.columns) < 9 * self.unit)
        roofs &= ~np.isin(self.material, (ROAD, WATER))
        for y, x in ((0.52, 0.93), (0.40, 0.87), (0.86, 0.70)):
            hall = (np.abs(self.y - y * self.rows + 0.2 * (self.x - x * self.columns)) < 2.6) & (
                np.abs(self.x - x * self.columns) < 4.1)
            apron = (np.abs(self.y - y * self.rows) < 4.4) & (np.abs(self.x - x * self.columns) < 5.6)
            self.put(apron, ROAD, 0.7)
            roofs = (roofs & ~apron) | hall
        self.put(roofs, ROOF, 0.5)
        self.vigour = np.where(roofs, 0.5 + 0.3 * np.sign(np.sin(self.x / 3.1) * np.sin(self.y / 3.7)), self.vigour)
        self.light[roofs] = 1.0
        self.cast_shade(roofs, 0.6)

    def houses(self, along, across, where):
        """Roofs of about 2 x 3 pixels in rows on both sides of a street."""
        plot = np.floor(along / 4.6)
        chance = self.rng.random(int(plot.max() - plot.min()) + 1)
        built = chance[(plot - plot.min()).astype(int)] < 0.85
        side = np.abs(across)
        return where & built & (np.abs(along / 4.6 - plot - 0.5) < 0.34) & (side > 2.0) & (side < 4.5)
