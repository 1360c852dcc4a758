metadata description = 'The types that main.bicep and its modules share.'

@export()
@description('Tags of a resource: name to value.')
type tagSet = {
  *: string
}

@export()
@description('How the nodes and the app reach the world, and who reaches the accounts.')
type networkMode = 'public' | 'serviceEndpoints' | 'private'

@export()
@description('How every node mounts the containers that hold frames, if it does.')
type mountKind = 'none' | 'blobfuse' | 'nfs'

@export()
@description('Size, image and scaling of the GPU pool.')
type poolSettings = {
  @description('Required. VM size of a node, for example Standard_NC4as_T4_v3.')
  vmSize: string

  @description('Required. Most Spot nodes; they are ordered first.')
  @minValue(0)
  maxSpotNodes: int

  @description('Required. Most dedicated nodes; they stand in for Spot nodes that were taken away or never came.')
  @minValue(0)
  maxDedicatedNodes: int

  @description('Required. Nodes that are always there; 0 lets the pool cost nothing at rest.')
  @minValue(0)
  minNodes: int

  @description('Required. Tasks at once on one node. They share its first GPU: more than 1 pays only where one task leaves it idle.')
  @minValue(1)
  taskSlotsPerNode: int

  @description('Required. Minutes that one node stays after the last task; 0 for none.')
  @minValue(0)
  warmMinutes: int

  @description('Required. Release of the image microsoft-dsvm/ubuntu-hpc.')
  ubuntuRelease: '2404' | '2204'

  @description('Required. Version of that image: latest, or one that was tried.')
  imageVersion: string

  @description('Required. image: its own driver (T4, A100, H100). extension: the driver extension (A10).')
  gpuDriver: 'image' | 'extension'

  @description('Required. Encrypt temporary disks and caches too; needs the feature EncryptionAtHost.')
  encryptionAtHost: bool
}

@export()
@description('What the app allows; each member is the setting of the same name, with its default.')
type runLimits = {
  @description('Required. NCRONTAB of the sweep.')
  sweepSchedule: string

  @description('Required. Seconds that a queued batch may be without a Batch task.')
  sweepGraceSeconds: int

  @description('Required. Runs under way at once.')
  maxOpenRuns: int

  @description('Required. Frames of one run.')
  maxFrames: int

  @description('Required. Pixels of one frame or painting.')
  maxFramePixels: int

  @description('Required. Bytes of a painting.')
  maxStyleBytes: int

  @description('Required. Times that Batch runs a failed task again.')
  maxTaskRetries: int

  @description('Required. Times that the sweep starts a failed task anew.')
  sweepRetries: int

  @description('Required. Wall-clock limit of one attempt of a task, in minutes.')
  taskMinutes: int

  @description('Required. Hours after which an unfinished run is ended.')
  runHours: int

  @description('Required. Largest video in bytes that the function joins itself.')
  joinInFunctionBytes: int
}

@export()
@description('A person or group with rights on the containers.')
type person = {
  @description('Required. Object id in Entra ID.')
  id: string

  @description('Required. What the id stands for.')
  type: 'User' | 'Group' | 'ServicePrincipal'
}

@export()
@description('An identity with its three ids.')
type identityIds = {
  @description('Required. Resource id.')
  id: string

  @description('Required. Client id, with which code asks for tokens.')
  clientId: string

  @description('Required. Principal id, to which roles are given.')
  principalId: string
}

@export()
@description('A key of the person\'s own for encryption at rest.')
type customerKeySettings = {
  @description('Required. Resource id of a user-assigned identity with the role Key Vault Crypto Service Encryption User.')
  identityId: string

  @description('Required. Vault that holds the key, https://NAME.vault.azure.net.')
  vaultUri: string

  @description('Required. Name of the key; its newest version is used.')
  keyName: string
}

@export()
@description('A rule that deletes what is old.')
type deleteRule = {
  @description('Required. Name of the container.')
  container: string

  @description('Required. Days after the last change.')
  days: int
}

@export()
@description('A resource that gets a private endpoint.')
type privateTarget = {
  @description('Required. Name of the endpoint.')
  name: string

  @description('Required. Type of the resource, for example Microsoft.Storage/storageAccounts.')
  resourceType: string

  @description('Required. Name of the resource.')
  resourceName: string

  @description('Required. Sub-resource, for example blob.')
  group: string

  @description('Required. DNS zone of the sub-resource.')
  zone: string
}
