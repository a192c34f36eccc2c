"""What a resource is: R4 parse and check, codes, builders, bundles, search semantics, profiles."""
