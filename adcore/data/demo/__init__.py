"""The demo set: procedural products with defects, made on demand from a seed.

`catalogue` says which images there are, `rendering` makes them: a product's module paints a `surface`, on which
`camera` lets light fall. A defect's mask is where the picture would look different without it.
"""
