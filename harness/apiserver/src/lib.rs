//! An embedded Kubernetes API server for tests, true to Kubernetes 1.20
