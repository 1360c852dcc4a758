metadata description = 'The dashboard that `azd monitor` opens: outcomes, failures, cost and nodes of the last day, and a link to the workbook.'

import { tagSet } from '../types.bicep'

@description('Required. Name.')
@minLength(3)
@maxLength(24)
param name string

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

@description('Required. Resource id of the workbook.')
param workbookId string

var queries = [
  { title: 'Runs that ended', text: loadTextContent('../queries/runs.kql') }
  { title: 'Failed and refused runs by reason', text: loadTextContent('../queries/failures.kql') }
  { title: 'Cost of the runs that ended', text: loadTextContent('../queries/dollars.kql') }
]
var queryParts = [
  for (query, i) in queries: {
    position: {
      x: 0
      y: 2 + 4 * i
      colSpan: 8
      rowSpan: 4
    }
    metadata: {
      type: 'Extension/Microsoft_OperationsManagementSuite_Workspace/PartType/LogsDashboardPart'
      inputs: [
        { name: 'resourceTypeMode', isOptional: true }
        { name: 'ComponentId', isOptional: true }
        { name: 'Scope', isOptional: true, value: { resourceIds: [workspaceId] } }
        { name: 'PartId', isOptional: true, value: guid(query.title) }
        { name: 'Version', isOptional: true, value: '2.0' }
        { name: 'TimeRange', isOptional: true, value: 'P1D' }
        { name: 'DashboardId', isOptional: true }
        { name: 'DraftRequestParameters', isOptional: true }
        { name: 'Query', isOptional: true, value: query.text }
        { name: 'ControlType', isOptional: true, value: 'AnalyticsGrid' }
        { name: 'SpecificChart', isOptional: true }
        { name: 'PartTitle', isOptional: true, value: query.title }
        { name: 'PartSubTitle', isOptional: true, value: title }
        { name: 'Dimensions', isOptional: true }
        { name: 'LegendOptions', isOptional: true }
        { name: 'IsQueryContainTimeRange', isOptional: true, value: false }
      ]
      settings: {}
    }
  }
]
var linkPart = {
  position: {
    x: 0
    y: 0
    colSpan: 8
    rowSpan: 2
  }
  metadata: {
    type: 'Extension/HubsExtension/PartType/MarkdownPart'
    inputs: []
    settings: {
      content: {
        settings: {
          title: title
          subtitle: ''
          content: 'All charts, for any time range: [workbook](${environment().portal}/#@/resource${workbookId}/workbook). What to do when something is wrong: `docs/operations.md`.'
        }
      }
    }
  }
}
// The aggregation 1 is the sum: Batch reports no other one of node counts.
var nodeMetrics = [
  for metric in [
    { name: 'TotalNodeCount', label: 'Dedicated nodes' }
    { name: 'TotalLowPriorityNodeCount', label: 'Spot nodes' }
  ]: {
    resourceMetadata: {
      id: batchAccountId
    }
    name: metric.name
    aggregationType: 1
    namespace: 'microsoft.batch/batchaccounts'
    metricVisualization: {
      displayName: metric.label
    }
  }
]
var nodesPart = {
  position: {
    x: 8
    y: 2
    colSpan: 8
    rowSpan: 4
  }
  metadata: {
    type: 'Extension/HubsExtension/PartType/MonitorChartPart'
    inputs: [
      { name: 'options', isOptional: true }
      { name: 'sharedTimeRange', isOptional: true }
    ]
    settings: {
      content: {
        options: {
          chart: {
            title: 'Node-minutes'
            titleKind: 2
            metrics: nodeMetrics
            visualization: {
              chartType: 2
            }
          }
        }
      }
    }
  }
}

resource dashboard 'Microsoft.Portal/dashboards@2025-04-01-preview' = {
  name: name
  location: location
  tags: union(tags, { 'hidden-title': title })
  properties: {
    lenses: [
      {
        order: 0
        parts: concat([linkPart], queryParts, [nodesPart])
      }
    ]
  }
}
