"""What to do after `azd up`, printed at its end."""

from collections.abc import Mapping

from infra.hooks.access import NONE, UPLOAD
from infra.hooks.azure import AzureCli, value


def print_next_steps(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Print the addresses, how to get a key, who reaches storage, the GPU quota and the first command."""
    group, app = value(environ, "AZURE_RESOURCE_GROUP"), value(environ, "AZURE_FUNCTION_APP_NAME")
    reach = environ.get(UPLOAD) or NONE
    batch = value(environ, "AZURE_BATCH_ACCOUNT_NAME")
    account = ("batch", "account", "show", "--resource-group", group, "--name", batch)
    spot = az.read(*account, "--query", "lowPriorityCoreQuota", "--output", "tsv")
    print(f"API: {value(environ, 'IMPASTO_API')}")
    print(f"Key: az functionapp keys list -g {group} -n {app} --query functionKeys.default -o tsv")
    print(f"Workbook: {value(environ, 'IMPASTO_WORKBOOK')}")
    if reach != NONE:
        print(f"Storage: reachable from {reach}")
    else:
        print(
            "Storage: not reachable from here; run `azd env set IMPASTO_UPLOAD_FROM <your address>` and `azd provision`"
        )
    if spot == "0":
        print(
            f"Quota: no Spot cores. Request Spot cores and cores of the GPU family in the portal: "
            f"Batch account {batch}, Quotas, Request increase (docs/deploy.md)."
        )
    print("First video, in this folder: impasto paint holiday.mp4 -s starry_night.jpg")
