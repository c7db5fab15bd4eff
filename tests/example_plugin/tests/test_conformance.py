from adcore.testing import conformance

test_conformance = conformance("acme-inspection")
