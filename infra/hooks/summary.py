"""What to do after `azd up`, printed at its end."""

from collections.abc import Mapping

from infra.hooks.access import NONE, UPLOAD
from infra.hooks.azure import AzureCli, value
from infra.hooks.pool import pool_of
from infra.hooks.quota import missing_kinds, read_quota


def print_next_steps(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Print the addresses, how to get a key, who reaches storage, the GPU quota and the first command."""
    group, app = value(environ, "AZURE_RESOURCE_GROUP"), value(environ, "AZURE_FUNCTION_APP_NAME")
    reach = environ.get(UPLOAD) or NONE
    print(f"API: {value(environ, 'IMPASTO_API')}")
    print(f"Key: az functionapp keys list -g {group} -n {app} --query functionKeys.default -o tsv")
    print(f"Workbook: {value(environ, 'IMPASTO_WORKBOOK')}")
    if reach != NONE:
        print(f"Storage: reachable from {reach}")
    else:
        print(
            "Storage: not reachable from here; run `azd env set IMPASTO_UPLOAD_FROM <your address>` and `azd provision`"
        )
    _print_quota(az, environ)
    print("First video, in this folder: impasto paint holiday.mp4 -s starry_night.jpg")


def _print_quota(az: AzureCli, environ: Mapping[str, str]) -> None:
    pool, account = pool_of(environ), value(environ, "AZURE_BATCH_ACCOUNT_NAME")
    group, location = value(environ, "AZURE_RESOURCE_GROUP"), value(environ, "AZURE_LOCATION")
    quota = read_quota(az, group=group, account=account, location=location, vm_size=pool.vm_size)
    if quota is None:
        print(f"Quota: not readable from here; in the portal: Batch account {account}, Quotas")
        return
    portal = value(environ, "IMPASTO_WORKBOOK").partition("/#")[0]
    page = f"{portal}/#@/resource{quota.account_id}/overview (menu: Quotas)"
    spot, dedicated = ("?" if cores is None else cores for cores in (quota.spot, quota.dedicated))
    print(f"Quota: {spot} Spot cores, {dedicated} dedicated cores of {quota.family}; {page}")
    if missing := missing_kinds(quota, pool):
        print(
            f"Quota: no cores for {' and '.join(missing)} nodes, so none of them starts. "
            "Choose Request increase on that page, with the numbers in docs/deploy.md."
        )
