"""Which web pages may upload to the storage emulator: the app's own, as the templates allow it in Azure."""

from local_cloud.accounts import DATA_ACCOUNT, DATA_KEY, Ports, connection_string

HOSTS = ("127.0.0.1", "localhost")


def allow_uploads(ports: Ports) -> None:
    """Let pages of the function host read and write blobs of the data account, if a signature allows it."""
    # Imported while the services start: it takes as long as they do.
    from azure.storage.blob import BlobServiceClient, CorsRule

    origins = [f"http://{host}:{ports.functions}" for host in HOSTS]
    rule = CorsRule(
        origins,
        ["GET", "HEAD", "PUT"],
        allowed_headers=["content-type", "x-ms-*"],
        exposed_headers=["etag", "x-ms-*"],
        max_age_in_seconds=3600,
    )
    with BlobServiceClient.from_connection_string(connection_string(DATA_ACCOUNT, DATA_KEY, ports)) as client:
        client.set_service_properties(cors=[rule])
