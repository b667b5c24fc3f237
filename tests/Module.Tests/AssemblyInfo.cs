// The module's registries belong to the process, so two test files at once would see each other's guests.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
