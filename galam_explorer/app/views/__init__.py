"""One file a view: thin `panel.viewable.Viewer` classes on `ExplorerState`."""
