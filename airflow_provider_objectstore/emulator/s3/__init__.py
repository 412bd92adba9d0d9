"""S3: the interface of a backend that holds users and buckets, and moto as the backend that needs only pip."""
