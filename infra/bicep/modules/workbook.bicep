metadata description = 'The workbook: runs, frames per second, queues, nodes, cost, failures and poison messages over time.'

import { tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Title.')
param title string

@description('Required. Resource id of the Log Analytics workspace, which the queries read.')
param workspaceId string

@description('Required. Resource id of the Batch account, whose metrics count the nodes.')
param batchAccountId string

// Each chart is one file in queries/, which `make kql` checks.
var charts = [
  {
    title: 'Runs that ended, by outcome'
    query: loadTextContent('../queries/runs.kql')
    kind: 'barchart'
    width: '50'
  }
  {
    title: 'Frames per second, all nodes together'
    query: loadTextContent('../queries/frames_per_second.kql')
    kind: 'timechart'
    width: '50'
  }
  {
    title: 'Age of the oldest message of each queue, in seconds'
    query: loadTextContent('../queries/queue_age.kql')
    kind: 'timechart'
    width: '50'
  }
  {
    title: 'Seconds per frame of a task'
    query: loadTextContent('../queries/seconds_per_frame.kql')
    kind: 'timechart'
    width: '50'
  }
  {
    title: 'Cost of the runs that ended, in US dollars a day'
    query: loadTextContent('../queries/dollars.kql')
    kind: 'barchart'
    width: '50'
  }
  {
    title: 'Tasks that the sweep submitted again'
    query: loadTextContent('../queries/task_retries.kql')
    kind: 'barchart'
    width: '50'
  }
  {
    title: 'Failed and refused runs by reason'
    query: loadTextContent('../queries/failures.kql')
    kind: 'table'
    width: '100'
  }
  {
    title: 'Failed function calls by cause'
    query: loadTextContent('../queries/exceptions.kql')
    kind: 'table'
    width: '100'
  }
  {
    title: 'Messages in poison queues'
    query: loadTextContent('../queries/poison.kql')
    kind: 'table'
    width: '100'
  }
]
var chartItems = [
  for chart in charts: {
    type: 3
    name: chart.title
    customWidth: chart.width
    content: {
      version: 'KqlItem/1.0'
      title: chart.title
      query: chart.query
      size: 0
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      crossComponentResources: [workspaceId]
      timeContextFromParameter: 'TimeRange'
      visualization: chart.kind
      noDataMessage: 'Nothing in this time range.'
      noDataMessageStyle: 3
    }
  }
]

// Node counts exist as metrics only: they cannot be exported to the workspace. Batch reports one value a minute and only
// their sum, so a point of the chart is in node-minutes.
var nodeMetrics = ['TotalNodeCount', 'TotalLowPriorityNodeCount', 'StartTaskFailedNodeCount', 'UnusableNodeCount']
var nodeItem = {
  type: 10
  name: 'Nodes'
  content: {
    version: 'MetricsItem/2.0'
    title: 'Node-minutes: dedicated, Spot, failed start task, unusable'
    size: 0
    chartType: 2
    resourceType: 'microsoft.batch/batchaccounts'
    metricScope: 0
    resourceIds: [batchAccountId]
    timeContextFromParameter: 'TimeRange'
    metrics: map(nodeMetrics, metric => {
      namespace: 'microsoft.batch/batchaccounts'
      metric: 'microsoft.batch/batchaccounts--${metric}'
      aggregation: 1
    })
  }
}
var timeRange = {
  type: 9
  name: 'Time range'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    parameters: [
      {
        id: guid('TimeRange')
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        label: 'Time range'
        type: 4
        isRequired: true
        value: {
          durationMs: 604800000
        }
        typeSettings: {
          allowCustom: true
          selectableValues: [
            { durationMs: 3600000 }
            { durationMs: 14400000 }
            { durationMs: 86400000 }
            { durationMs: 604800000 }
            { durationMs: 2592000000 }
          ]
        }
      }
    ]
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: title
    category: 'workbook'
    sourceId: workspaceId
    version: 'Notebook/1.0'
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([timeRange], chartItems, [nodeItem])
      fallbackResourceIds: [workspaceId]
    })
  }
}

@description('Resource id of the workbook.')
output id string = workbook.id
