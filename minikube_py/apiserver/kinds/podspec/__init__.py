"""What a Pod and every Pod template of a workload share: defaults and rules of a PodSpec."""
