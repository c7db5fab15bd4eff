"""Procedural products: random designs, endless normal images of them, and defective ones with exact masks."""

from adcore.products.product import DEFECTS, KINDS, Defective, Product

__all__ = ["DEFECTS", "KINDS", "Defective", "Product"]
