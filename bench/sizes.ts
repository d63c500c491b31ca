const MIB = 2 ** 20

/** How much of everything a bench does. */
export interface Sizes {
  /** How long requests are sent for each sample. */
  seconds: number
  /** Bytes of the large blob that one client pulls or pushes. */
  big: number
  /** How often it is pulled for each sample. */
  pulls: number
  /** Bytes of each of the 16 blobs that are pulled or pushed at once. */
  medium: number
  /** Small images pushed. */
  images: number
  /** Tags of the large repository, and repositories of the large catalog. */
  many: number
  /** The same, to compare with. */
  few: number
  /** Nodes that pull one image. */
  clients: number
  /** Over so many seconds they start. */
  stormSeconds: number
  /** Bytes of each of the large blobs in flight. */
  flight: number
  /** How long new transfers begin. */
  flightSeconds: number
}

export const FULL: Sizes = {
  seconds: 3,
  big: 1024 * MIB,
  pulls: 3,
  medium: 64 * MIB,
  images: 1000,
  many: 10_000,
  few: 1000,
  clients: 500,
  stormSeconds: 30,
  flight: 1024 * MIB,
  flightSeconds: 8
}

/** Far too little to be believed: it shows that everything works, and where to look. */
export const QUICK: Sizes = {
  seconds: 1,
  big: 128 * MIB,
  pulls: 1,
  medium: 16 * MIB,
  images: 50,
  many: 2000,
  few: 500,
  clients: 50,
  stormSeconds: 2,
  flight: 64 * MIB,
  flightSeconds: 1
}
